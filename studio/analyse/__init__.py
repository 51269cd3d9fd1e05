"""Look and listen: what a clip shows and how it sounds, at a tenth of its length or less."""

from studio.analyse.findings import Findings
from studio.analyse.look import look

__all__ = ["Findings", "look"]
