"""One finished run for all the files here; treat it as read-only but for its export folder."""

import pytest

from tests.export.runs import fit_head, make_photos, make_run, network


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("export") / "photos")


@pytest.fixture(scope="session")
def run(photos, tmp_path_factory):
    model = fit_head(network(), photos)
    return make_run(tmp_path_factory.mktemp("finished") / "run", photos, model)
