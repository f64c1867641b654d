"""Where a run computes."""

import os

import tensorflow as tf


def choose_device(wanted: str = "auto") -> str:
    """Make TensorFlow use the CPU or the GPU, and say which in a few words.

    GPU memory is taken as needed rather than all at once, so that several programs can share the device.

    Raises:
        ValueError: a GPU is wanted and there is none, or TensorFlow is already at work elsewhere.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "gpu" and not gpus:
        raise ValueError(
            "device: TensorFlow finds no GPU here. Use --device cpu, or install kvae with its `gpu` extra on a machine "
            "with an NVIDIA driver."
        )
    if wanted == "cpu" or not gpus:
        if gpus and tf.config.get_visible_devices("GPU"):
            try:
                tf.config.set_visible_devices([], "GPU")
            except RuntimeError:
                raise ValueError("device: TensorFlow already uses the GPU. Choose the CPU in a new process.") from None
        return f"cpu ({_cores()} cores)"
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # already in use, with whatever growth it was started with
            break
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"gpu ({details.get('device_name', gpus[0].name)})"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
