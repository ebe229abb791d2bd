"""Half precision where the hardware computes in it; elsewhere it is many times slower than float32."""

from contextlib import AbstractContextManager, nullcontext

import torch

BF16_ON_CPU = ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16")  # instruction sets of x86, and of ARM the last

TENSOR_CORES = (7, 0)  # the compute capability from which on GPUs multiply in fp16 faster


def half_precision(device: torch.device) -> torch.dtype | None:
    """The half-precision type that a device multiplies matrices in faster than float32; None where there is none."""
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
        return torch.float16 if torch.cuda.get_device_capability(device) >= TENSOR_CORES else None
    if device.type == "cpu":
        known = getattr(torch.cpu, "get_capabilities", dict)()  # not in older versions of torch
        return torch.bfloat16 if any(known.get(name) for name in BF16_ON_CPU) else None
    return None


def arithmetic(device: torch.device, precision: str) -> torch.dtype:
    """What a run of a precision ("fp32" or "bf16") multiplies matrices in on a device."""
    return (half_precision(device) if precision == "bf16" else None) or torch.float32


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The context in which a model's forward pass has its `arithmetic`."""
    dtype = arithmetic(device, precision)
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def grad_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """What keeps small gradients from vanishing in fp16; in any other `arithmetic` it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=arithmetic(device, precision) == torch.float16)
