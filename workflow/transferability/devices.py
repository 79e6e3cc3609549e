"""What the machine can do, found out at run time."""

import torch


def choose_device(wanted: str) -> torch.device:
    """The device of that name; auto is CUDA, else Apple's MPS, else the CPU.

    Raises ValueError if a device is asked for that is not there.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        wanted = next(name for name, there in available.items() if there)
    if not available.get(wanted):
        there = ", ".join(name for name, yes in available.items() if yes)
        raise ValueError(
            f"recipe.device: {wanted} is not available here, only {there}; "
            "choose one of these, or auto"
        )
    return torch.device(wanted)


def choose_precision(wanted: str, device: torch.device) -> str:
    """bf16 or fp32; auto is bf16 where the device multiplies it in hardware of its own.

    On a CPU that means AMX: without it, bf16 saves memory traffic but little time.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def memory_format(device: torch.device) -> torch.memory_format:
    """The order of images and weights in memory that a device is fast in.

    Not on Apple's MPS, where gradients of channels-last tensors have been wrong (pytorch issues
    107214 and 175189).
    """
    return torch.channels_last if device.type in ("cpu", "cuda") else torch.contiguous_format


def use_precision(precision: str) -> None:
    """Let fp32 be fp32: by default CUDA rounds the factors of convolutions to TF32."""
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"


def describe(device: torch.device) -> str:
    """The device's kind, with its model where one machine may have several: `cuda NVIDIA H200`."""
    return f"cuda {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
