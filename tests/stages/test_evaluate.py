"""What the settings say of scoring, also where a pipeline says nothing."""

from tlpipe.config.settings import Evaluate, Pipeline
from tlpipe.pipeline.run import Run
from tlpipe.stages.evaluate import scored_how


def test_a_pipeline_without_an_evaluation_is_scored_by_the_defaults(tmp_path):
    assert scored_how(Run(tmp_path, Pipeline(stages={}))) == {"resamples": Evaluate().resamples}
    own = Pipeline(stages={"evaluate": Evaluate(resamples=177)})
    assert scored_how(Run(tmp_path, own)) == {"resamples": 177}
