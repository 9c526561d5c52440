"""Errors that reach a user. Each message says what is wrong, where, and what to do."""


class BenchError(Exception):
    """A mistake the user can mend; shown as one message without a traceback, exit code 2."""


class SuiteError(BenchError):
    """A suite that cannot be read: the message starts with the file and the YAML path."""


class DataError(BenchError):
    """An image or a folder that cannot be used: the message names the file."""


class WeightsError(BenchError):
    """A checkpoint that cannot be used: the message names the file and the keys."""


class Unavailable(BenchError):
    """Something this machine lacks, such as backbone weights: the message is shown in the table as `n/a: ...`."""


class TrainingDiverged(BenchError):
    """A loss that is not finite: the message names the step and the term."""


class OutOfMemory(BenchError):
    """Memory that a job asked for and did not get: the message names what to make smaller."""


class TeamBroken(BaseException):
    """A process failed where the others of its team wait for it: it ends at once, whoever catches exceptions on the way."""


class StoreError(BenchError):
    """A results folder that cannot be written or a stored artefact that is damaged."""
