"""The one place where torch and transformers are touched: load a folder, read tokens, keep what was read.

Runs in the child process only. Everything that these libraries leave untyped stops here. `trust_remote_code`
is never passed, and only safetensors are opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.engine.transformers_child.hooks import CannotHook, Hooks

Rows = NDArray[np.float32]


CANNOT_CUT = (RuntimeError, ValueError, NotImplementedError, AttributeError, IndexError)
"""What caches raise that keep a state, or a window that has moved on."""


class CannotLoad(Exception):
    """The message says why, in the library's words."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a folder is loaded. An unknown name fails when the line is read."""

    folder: str
    context: int
    slots: int  # beginnings that are kept at a time
    threads: int
    device: str  # "cpu", "cuda" or "auto"
    dtype: str  # "auto" = as it is stored; float32 …
    bits: int = 0  # 4 or 8: made smaller while it is loaded (bitsandbytes)
    adapters: tuple[str, ...] = ()  # files, in the order in which requests give their scales


class Model:
    """A causal language model on its device. Tokens go in, rows of logits come out."""

    def __init__(self, settings: Settings) -> None:
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(settings.threads)
        self.version = transformers.__version__
        self._torch, self._transformers = torch, transformers
        self.device = _device(torch, settings.device)
        try:
            self._model = transformers.AutoModelForCausalLM.from_pretrained(
                settings.folder, **self._how(settings)
            )
        except (OSError, ValueError, ImportError, RuntimeError, KeyError, TypeError, AttributeError) as why:
            raise CannotLoad(_reason(why)) from why
        self._model.eval()
        self.config: Any = self._model.config
        text = self.config.get_text_config()
        self.width, self.layers = int(text.hidden_size), int(text.num_hidden_layers)
        self.vocabulary = int(self._model.get_output_embeddings().weight.shape[0])
        self.dtype = f"{self._model.dtype}".removeprefix("torch.")
        self.pause: Callable[[], None] = lambda: None  # asked before every layer; raises where work is to end
        self._heed_pauses()
        try:
            files = [Path(file) for file in settings.adapters]
            self.hooks = Hooks(torch, self._model, self.width, files)
        except CannotHook as why:
            raise CannotLoad(f"{why}") from why

    def _how(self, settings: Settings) -> dict[str, Any]:
        how: dict[str, Any] = {
            "use_safetensors": True,
            "local_files_only": True,
            "trust_remote_code": False,
            "device_map": self.device,
            "dtype": settings.dtype if settings.dtype == "auto" else getattr(self._torch, settings.dtype),
        }
        if settings.bits:
            config = self._transformers.BitsAndBytesConfig
            how["quantization_config"] = config(
                load_in_4bit=settings.bits == 4, load_in_8bit=settings.bits == 8
            )
        return how

    def _heed_pauses(self) -> None:
        """A long prompt is read in large pieces, which is fast, and left between two layers: soon."""

        def ask(*_: Any) -> None:
            self.pause()

        for module in self._model.modules():
            if isinstance(module, self._torch.nn.ModuleList) and len(module) == self.layers:
                for layer in module:
                    layer.register_forward_pre_hook(ask)

    def ends(self) -> set[int]:
        """Tokens that end a reply, as far as the model's own settings say."""
        said = self._model.generation_config.eos_token_id
        ids = said if isinstance(said, list) else [said]
        return {int(id) for id in (*ids, self.config.eos_token_id) if isinstance(id, int)}

    def memory(self) -> Memory:
        return Memory(lambda: self._transformers.DynamicCache(config=self.config))

    def read(self, ids: Sequence[int], memory: Memory, outputs: int) -> Rows:
        """Reads ids on top of what the memory holds; the logits [outputs, V] after the last ones."""
        torch = self._torch
        with torch.inference_mode():
            asked = torch.tensor([list(ids)], device=self._model.device)
            try:
                made = self._model(
                    input_ids=asked,
                    past_key_values=memory.cache,
                    use_cache=True,
                    logits_to_keep=max(outputs, 1),
                )
            except BaseException:
                memory.mend()
                raise
            rows = made.logits[0, -outputs:] if outputs else made.logits[0, :0]
            memory.held.extend(ids)
            return np.asarray(rows.float().cpu().numpy(), np.float32)


class Memory:
    """What a model has read: the ids, and what it made of them."""

    def __init__(self, fresh: Callable[[], Any]) -> None:
        self._fresh = fresh
        self.cache = fresh()
        self.held: list[int] = []

    def mend(self) -> None:
        """Some layers have read more than others: back to what all have, or to nothing."""
        try:
            for layer in self.cache.layers:
                excess = int(layer.get_seq_length()) - len(self.held)
                if excess > 0:
                    layer.crop(-excess)
        except CANNOT_CUT:
            self.cache, self.held = self._fresh(), []

    def cut(self, length: int) -> bool:
        """To the first `length` tokens; False where the model cannot go back (its window has moved on, or it
        keeps a state instead of tokens)."""
        excess = len(self.held) - length
        if excess <= 0:
            return True
        try:
            self.cache.crop(-excess)  # from the end: a positive number is refused since transformers 5.23
            if self.cache.get_seq_length() != length:
                return False
        except CANNOT_CUT:
            return False
        del self.held[length:]
        return True


def _reason(why: Exception) -> str:
    """In one line; what asks for code of the model's maker is told as that."""
    if "trust_remote_code" in f"{why}":
        return "it needs program code that comes with the model, and such code is never run"
    return f"{type(why).__name__}: {why}".splitlines()[0][:500]


def _device(torch: Any, wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def tokenizer(folder: Path) -> Any:
    """Raises CannotLoad."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as why:
        raise CannotLoad(f"its tokenizer cannot be read ({_reason(why)})") from why
