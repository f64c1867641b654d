"""Where a run computes, on machines with and without a GPU that TensorFlow makes believe."""

from types import SimpleNamespace

import pytest

from kvae.training import device
from kvae.training.device import choose_device, choose_precision

GPU = SimpleNamespace(name="/physical_device:GPU:0")


class Machine:
    """As much of tf.config as is asked; `busy` is a TensorFlow that is at work already."""

    def __init__(self, gpus, busy=False) -> None:
        self.gpus, self.busy, self.visible, self.growth = gpus, busy, list(gpus), []
        self.experimental = SimpleNamespace(
            set_memory_growth=self.grow, get_device_details=lambda gpu: {"device_name": "NVIDIA H200"}
        )

    def list_physical_devices(self, kind):
        return self.gpus

    def get_visible_devices(self, kind):
        return self.visible

    def set_visible_devices(self, devices, kind):
        if self.busy:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = devices

    def grow(self, gpu, enable):
        if self.busy:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        self.growth.append((gpu, enable))


@pytest.fixture
def machine(monkeypatch):
    def install(gpus=(), busy=False):
        one = Machine(list(gpus), busy)
        monkeypatch.setattr(device, "tf", SimpleNamespace(config=one))
        monkeypatch.setattr(device, "_cores", lambda: 6)
        return one

    return install


@pytest.mark.parametrize("wanted", ["auto", "cpu"])
def test_without_a_gpu_the_cpu_is_chosen_and_said_with_its_cores(machine, wanted):
    machine()
    assert choose_device(wanted) == "cpu (6 cores)"


def test_a_gpu_that_is_not_there_is_refused_with_the_cure(machine):
    machine()
    with pytest.raises(ValueError, match=r"^device: TensorFlow finds no GPU here\. Use --device cpu, or install"):
        choose_device("gpu")


@pytest.mark.parametrize("wanted", ["auto", "gpu"])
def test_a_gpu_is_chosen_by_name_and_its_memory_taken_as_needed(machine, wanted):
    one = machine([GPU])
    assert choose_device(wanted) == "gpu (NVIDIA H200)"
    assert one.growth == [(GPU, True)] and one.visible == [GPU]


def test_a_gpu_that_is_at_work_already_is_used_as_it_is(machine):
    machine([GPU], busy=True)
    assert choose_device("auto") == "gpu (NVIDIA H200)"


def test_the_cpu_is_chosen_by_hiding_the_gpu(machine):
    one = machine([GPU])
    assert choose_device("cpu") == "cpu (6 cores)"
    assert one.visible == []
    one.busy = True
    assert choose_device("cpu") == "cpu (6 cores)"


def test_the_cpu_is_refused_while_the_gpu_is_at_work(machine):
    machine([GPU], busy=True)
    with pytest.raises(ValueError, match="already uses the GPU. Choose the CPU in a new process"):
        choose_device("cpu")


@pytest.mark.parametrize(
    ("flags", "device", "policy"),
    [
        ({"avx2", "avx512_bf16"}, "cpu (2 cores)", "mixed_bfloat16"),
        ({"avx2"}, "cpu (2 cores)", "float32"),
        (set(), "cpu (2 cores)", "float32"),
        ({"amx_bf16"}, "gpu (H200)", "float32"),
    ],
)
def test_bfloat16_is_chosen_only_where_the_processor_has_it(monkeypatch, flags, device, policy):
    monkeypatch.setattr("kvae.training.device._cpu_flags", lambda: flags)
    assert choose_precision("auto", device) == policy
    assert choose_precision("mixed_float16", device) == "mixed_float16"
    monkeypatch.setattr("kvae.training.device.BACKEND", "jax")
    assert choose_precision("auto", device) == "float32"


def test_where_a_run_computes_is_logged_and_printed_nowhere(python):
    code = (
        "import kvae, logging\n"
        "from kvae.training.device import choose_precision\n"
        "choose_precision('float32', 'cpu (2 cores)')\n"
        "logging.getLogger('kvae').addHandler(handler := logging.handlers.BufferingHandler(9))\n"
        "logging.getLogger('kvae').setLevel('INFO')\n"
        "choose_precision('float32', 'cpu (2 cores)')\n"
        "print([record.getMessage() for record in handler.buffer])\n"
    )
    assert python(f"import logging.handlers\n{code}").strip() == "['computing on cpu (2 cores) in float32']"
