"""What every question is, whoever answers it."""

from typing import ClassVar


class Question:
    """What each question is, and what those who pass it on have to know of it; a question says what differs."""

    __slots__ = ()
    needs_model: ClassVar[bool] = False  # it waits while a model is being opened
    ends_with_model: ClassVar[bool] = False  # nobody wants the answer once another model is open
    takes_long: ClassVar[bool] = False  # it is served beside those that are quickly answered
