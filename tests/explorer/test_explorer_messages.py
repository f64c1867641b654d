"""What holds for every message between the window and its processes."""

import inspect
import pkgutil
from collections import Counter
from dataclasses import FrozenInstanceError, fields
from importlib import import_module

import pytest

from explorer import messages

PARTS = [import_module(f"{messages.__name__}.{part.name}") for part in pkgutil.iter_modules(messages.__path__)]
MESSAGES = [kind for part in PARTS for kind in vars(part).values() if getattr(kind, "__module__", "") == part.__name__]
MESSAGES = [kind for kind in MESSAGES if inspect.isclass(kind) and kind is not messages.Question]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_message_is_frozen_explained_and_imported_from_the_package(kind):
    message = kind(*[None] * len(fields(kind)))
    for name in ["anything", *(one.name for one in fields(kind))]:
        with pytest.raises((FrozenInstanceError, TypeError)):  # the latter for a name without a slot
            setattr(message, name, 1)
    assert not hasattr(message, "__dict__")
    assert inspect.getdoc(kind) and not inspect.getdoc(kind).startswith(f"{kind.__name__}(")
    assert getattr(messages, kind.__name__) is kind


def test_no_two_messages_have_one_name():
    assert len(MESSAGES) > 40
    assert [name for name, count in Counter(kind.__name__ for kind in MESSAGES).items() if count > 1] == []
