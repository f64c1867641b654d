"""The whole protocol between the window and its processes: frozen messages over one pipe to each process.

`process` holds what each process says of itself, `engine` what the window asks the engine and what that answers,
`files` the same about files, `run` what a trainer is told and what it says. Nothing here imports more than NumPy:
window and processes share this package and nothing else.
"""

# by `*`, so that a new message is written down in one place and in no list
from explorer.messages.engine import *  # noqa: F403
from explorer.messages.files import *  # noqa: F403
from explorer.messages.process import *  # noqa: F403
from explorer.messages.question import *  # noqa: F403
from explorer.messages.run import *  # noqa: F403
