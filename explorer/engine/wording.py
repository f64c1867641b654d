"""kvae's sentences advise command-line flags and commands; here they become the words of the window's form."""

import re
from dataclasses import dataclass

FORM = {  # as `explorer.widgets.terms.LABELS` names them
    "size": "Picture size",
    "crop": "How to make pictures square",
    "follow-links": "Follow links out of the folder",
    "validation": "Share of pictures kept for measuring",
    "kl-weight": "How strongly to smooth (KL weight)",
    "latent-dim": "Number of sliders (latent dimensions)",
    "network": "Kind of network",
    "widths": "Channels of each level",
    "depth": "Residual blocks per level",
    "batch-size": "Pictures per step (batch size)",
    "learning-rate": "Size of each step (learning rate)",
    "seed": "Seed, to repeat a run exactly",
    "device": "Compute on",
    "precision": "Arithmetic (precision)",
    "epochs": "Length",
    "minutes": "Length",
    "data": "Pictures to learn from",
    "output": "place for the model",
    "resume": "Model to go on with",
}
MOST = 400  # characters of a sentence
_ITSELF = {"epochs": "{} passes", "minutes": "{} minutes", "output": "{}"}  # where the value says what it is
_COMMANDS = {"with kvae-train": "on the Train page", "kvae-train --resume": "on the command line, resuming"}
_FLAG = re.compile(r"(\b[Uu]se )?(?<![\w-])--([a-z]+(?:-[a-z]+)*)(?: (\S+?)(?=[.,;:]?(?:\s|$)))?")


@dataclass(frozen=True)
class Work:
    """What was going on when something went wrong: what saves memory, and how a mistake of ours begins and ends."""

    save_memory: str
    failed: str
    cure: str = ""


QUESTION = Work(
    "There is not enough memory for this. Close other programs, or use smaller or fewer pictures.",
    "Something went wrong in the engine",
    "Try again, or restart the program.",
)
RUN = Work(
    "There is not enough memory for this run. Choose smaller pictures, a smaller batch or narrower widths.",
    "Training failed",
)


def sentence_of(error: BaseException, work: Work = QUESTION) -> str:
    """One line that says what went wrong, in the window's words. kvae's own errors are sentences already."""
    from kvae.files.failure import in_words

    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return work.save_memory
    text = next((" ".join(part.split()) for part in in_words(error).splitlines() if part.strip()), "")
    if not text:
        return f"{work.failed} ({kind}). {work.cure}".rstrip()
    if not isinstance(error, ValueError | OSError):
        text = f"{work.failed}: {text} ({kind})."
    text = in_form_words(text)
    return text if len(text) <= MOST else f"{text[: MOST - 3]}..."


def in_form_words(sentence: str) -> str:
    """`sentence` without flags: "use --batch-size 3" becomes "set “Pictures per step (batch size)” to 3"."""
    for command, words in _COMMANDS.items():
        sentence = sentence.replace(command, words)
    return _FLAG.sub(_words, sentence)


def _words(found: re.Match[str]) -> str:
    use, name, value = found.groups()
    use = use or ""
    label = f"“{FORM[name]}”" if name in FORM and name != "output" else FORM.get(name, name.replace("-", " "))
    if value is None:
        return use + label
    if name in _ITSELF:
        return use + _ITSELF[name].format(value)
    return f"{'Set' if use == 'Use ' else 'set'} {label} to {value}" if use else f"{label} {value}"
