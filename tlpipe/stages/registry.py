"""The stages by the names that pipeline files use."""

from __future__ import annotations

from tlpipe.config.settings import Pipeline
from tlpipe.pipeline.stage import Stage
from tlpipe.stages.backbone import BackboneStage
from tlpipe.stages.evaluate import EvaluateStage
from tlpipe.stages.export import ExportStage
from tlpipe.stages.head import HeadStage
from tlpipe.stages.prepare import PrepareStage
from tlpipe.stages.report import ReportStage
from tlpipe.stages.scan import ScanStage
from tlpipe.stages.select import SelectStage
from tlpipe.stages.split import SplitStage
from tlpipe.stages.unfreeze import UnfreezeStage

STAGES: dict[str, type[Stage]] = {
    stage.name: stage
    for stage in (
        ScanStage,
        SplitStage,
        BackboneStage,
        PrepareStage,
        HeadStage,
        UnfreezeStage,
        SelectStage,
        EvaluateStage,
        ReportStage,
        ExportStage,
    )
}


def make_stages(pipeline: Pipeline) -> list[Stage]:
    """The pipeline's stages, in its order."""
    return [STAGES[name](settings) for name, settings in pipeline.stages.items()]
