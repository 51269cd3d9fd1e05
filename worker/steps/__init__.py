"""The six steps, each a plain function of a `Context` that answers with an outcome or raises."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jobs.model import Step
from worker.context import Context
from worker.outcome import Outcome
from worker.steps.download import download
from worker.steps.edit import edit
from worker.steps.poll import poll
from worker.steps.render import render
from worker.steps.upload import upload
from worker.steps.verify import verify

STEPS: Mapping[Step, Callable[[Context], Outcome]] = MappingProxyType(
    {
        Step.UPLOAD: upload,
        Step.EDIT: edit,
        Step.VERIFY: verify,
        Step.RENDER: render,
        Step.POLL: poll,
        Step.DOWNLOAD: download,
    }
)
