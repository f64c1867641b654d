"""kvae's sentences advise command-line flags and commands; here they become the words of the window's form."""

import re
from dataclasses import dataclass

FORM = {  # as `explorer.widgets.terms.LABELS` names them
    "size": "Picture size",
    "crop": "How to make pictures square",
    "follow-links": "Follow links out of the folder",
    "no-augment": "Also show flipped and recoloured variants",
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
    "devices": "GPUs that share each step (devices)",
    "precision": "Arithmetic (precision)",
    "epochs": "Length",
    "minutes": "Length",
    "data": "Pictures to learn from",
    "output": "place for the model",
    "resume": "Model to go on with",
}
MOST = 400  # characters of a sentence
_ITSELF = {"epochs": "{} passes", "minutes": "{} minutes", "output": "{}"}  # where the value says what it is
_COMMANDS = {
    "with kvae-train": "on the Train page",
    "kvae-train --resume": "on the command line, resuming",
}
# what kvae's own sentences begin with: the function or the setting that complains
_OWNERS = (
    *(name.replace("-", "_") for name in FORM),
    "train",
    "tensorboard",
    "sweep",
    "measure",
    "audit",
    "training_batches",
    "save",
    "export",
    "split",
    "open_collection",
    "fit_pca",
    "fit_spectrum",
    "refine_spectrum",
    "held_out",
    "workers",
    "arrays",
)
_OWNER = re.compile(rf"^(?:{'|'.join(_OWNERS)}): (\S+)")
_RECEIVED = re.compile(r"\bReceived: (?:[a-z_]+=|--[a-z-]+ )(?=\S)")
_PARAMETER = re.compile(r"`([a-z_]+)`")
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
    """`sentence` without flags, names of parameters and their owner: "use --batch-size 3" becomes "set “Pictures per
    step (batch size)” to 3", and "output: /a cannot be written to" loses its first word."""
    sentence = _OWNER.sub(lambda found: _begun(found[1]), sentence)
    sentence = _RECEIVED.sub("Received: ", sentence)
    sentence = _PARAMETER.sub(_field, sentence)
    for command, words in _COMMANDS.items():
        sentence = sentence.replace(command, words)
    return _FLAG.sub(_words, sentence)


def _begun(word: str) -> str:
    """The first word of a sentence; a name of a file stays as it is."""
    return word[:1].upper() + word[1:] if re.fullmatch(r"[A-Za-z'’]+[,:]?", word) else word


def _field(found: re.Match[str]) -> str:
    name = found[1].replace("_", "-")
    return f"“{FORM[name]}”" if name in FORM and name != "output" else found[0]


def _words(found: re.Match[str]) -> str:
    use, name, value = found.groups()
    use = use or ""
    label = f"“{FORM[name]}”" if name in FORM and name != "output" else FORM.get(name, name.replace("-", " "))
    if value is None:
        return use + label
    if name in _ITSELF:
        return use + _ITSELF[name].format(value)
    return f"{'Set' if use == 'Use ' else 'set'} {label} to {value}" if use else f"{label} {value}"
