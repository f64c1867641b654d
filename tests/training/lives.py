"""Runs that are killed, each in a process of its own: forked from one that has imported TensorFlow but not begun to use
it.

    python lives.py FOLDER      reads orders, one JSON object a line, and forks a child for each

An order says what to train, or which run to go on with, in which file the child notes its steps, and after how many of
them it waits for its end, so that it is not over before somebody finds the time to kill it; or after which step of its
beginning or its delivery it dies by itself.
"""

import json
import os
import sys
import time
import traceback


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kvae.quiet_imports import quiet_imports

    with quiet_imports():
        import kvae.training.artifacts
        import kvae.training.checkpoint
        import kvae.training.resume
        import kvae.training.run

    # every step has its checkpoint, so that a kill falls into the writing of one, too
    kvae.training.checkpoint.SPACING, kvae.training.checkpoint.BUDGET = 0.0, 1e9
    for drawing in ("draw_run", "draw_range"):
        setattr(kvae.training.artifacts, drawing, lambda *arguments, **options: None)
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child:
            print(child, flush=True)
            continue
        try:
            live(json.loads(line))
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)


def dies(when: str, count: int) -> None:
    """The process dies as soon as what `when` names has been done for the `count`-th time."""
    from kvae.training import artifacts, checkpoint, folder

    def mortal(owner, name):
        real, calls = getattr(owner, name), [0]

        def call(*arguments, **options):
            result = real(*arguments, **options)
            calls[0] += 1
            if calls[0] == count:
                os._exit(9)
            return result

        setattr(owner, name, call)

    def removing(checkpoints, real=checkpoint.CheckpointWriter.finish):
        mortal(folder, "remove")
        real(checkpoints)

    artifacts.draw_run = lambda path, **options: path.write_bytes(b"a figure")
    if when == "removed":
        checkpoint.CheckpointWriter.finish = removing
    elif when != "nothing":
        owner = {"begin": folder.RunFolder, "deliver": folder.RunFolder}.get(when, artifacts)
        mortal(owner, when)


def live(order: dict) -> None:
    """Train to the end, noting every step in the file `notes`, and at the end what the model is worth."""
    import keras

    from kvae.images.paintings import paint_many
    from kvae.training.listener import Listener
    from kvae.training.resume import open_run, resumed, run_of
    from kvae.training.run import train

    # appended to and not buffered: what was noted before the kill stays
    notes = os.open(order["notes"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Noting(Listener):
        lived = 0

        def on_batch_begin(self):
            if self.lived == order["hold"]:
                time.sleep(3600.0)

        def on_step(self, step):
            os.write(notes, b"%d\n" % step.step)
            self.lived += 1

    listener = Noting()
    if order.get("dies"):
        dies(*order["dies"])
    pictures = paint_many(range(60), size=16, seed=3)[0]
    folder, settings, earlier = run_of(order["output"]), order["settings"], None
    if folder is not None:
        earlier = open_run(order["output"], lambda sentence: None)
        settings = {name: value for name, value in resumed(earlier, {}).items() if name != "data"}
    run = train(pictures, output=order["output"], listener=listener, resume=earlier, **settings)
    import hashlib

    digest = hashlib.sha256()
    model = run.model
    for variable in [*model.variables, *model.optimizer.variables]:
        digest.update(keras.ops.convert_to_numpy(variable).tobytes())
    kept = {key: value for key, value in run.history.items() if key not in ("seconds", "images_per_second")}
    told = {"digest": digest.hexdigest(), "history": kept, "steps": run.steps, "path": str(run.path)}
    os.write(notes, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main()
