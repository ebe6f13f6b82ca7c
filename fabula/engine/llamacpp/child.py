"""The program inside the child process: llama.cpp's server, told by one JSON line what to load.

Knows nothing of the studio: it imports only the engine, so that it starts fast and can be run by its path.

    stdin    one line of JSON (`Settings`), then silence; when it closes, the studio is gone and so are we
    stdout   one line `FABULA-READY {"address": …, "version": …}`; the rest is log (of an abort, for one)
    stderr   the engine's log
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from dataclasses import dataclass

READY = "FABULA-READY "
LINUX_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
LOG_WARNING = 3  # ggml.h
WARNINGS = 2  # common/log.h: 1 errors, 2 warnings, 3 what is done, 4 its details


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the model is loaded. An unknown or missing name fails when the line is read."""

    model: str  # path of the GGUF
    key: str  # what requests must carry; random per child
    context: int  # tokens per slot
    slots: int
    threads: int
    gpu_layers: int
    kv_type: str  # as ggml names it, in lower case: f16, q8_0 …
    kv_type_v: str  # of the values; the other is then that of the keys
    prompt_cache_mib: int
    slots_folder: str  # "" = slots are not saved
    checkpoints: int  # per slot; only models that cannot go back in their memory make any
    checkpoint_step: int  # tokens between two of them
    batch: int = 0  # tokens; 0 = the engine's own
    flash_attention: str = "auto"
    split_mode: str = "layer"
    tensor_split: tuple[float, ...] = ()  # each GPU's share
    main_gpu: int = 0
    kv_offload: bool = True
    overrides: str = ""  # which tensors lie where, as llama.cpp writes it
    rope_scaling: str = ""  # "" = as the model says
    rope_base: float = 0.0  # 0 = the model's
    rope_scale: float = 0.0  # how many times longer; 0 = the model's
    rope_original: int = 0
    load_mode: str = "AUTO"
    speculation: str = "none"
    draft: str = ""  # path of a GGUF that guesses ahead
    pooling: str = ""  # how embeddings are made; "" = none are
    projector: str = ""  # path of the GGUF through which the model sees; "" = it sees nothing
    adapters: tuple[str, ...] = ()  # paths; requests say how strong each is


def main() -> None:
    settings = Settings(**json.loads(sys.stdin.readline()))
    _die_with_the_studio()
    _leave_no_core_file()
    import xllamacpp

    try:
        server = xllamacpp.Server(_params(settings, xllamacpp))
    except BaseException:
        _finish_the_log()
        raise
    print(
        READY + json.dumps({"address": server.listening_address, "version": xllamacpp.__version__}),
        flush=True,
    )
    _speak_of_trouble_only()
    for line in sys.stdin:  # until the studio is gone
        _mark_the_log(line.strip())
    os._exit(0)


def _speak_of_trouble_only() -> None:
    """From here on the log names errors and warnings. What it says of each request (every prompt that is kept
    in RAM, for one: hundreds of lines) would cost the studio more than the request itself.
    """
    with contextlib.suppress(AttributeError):
        _library()._Z30common_log_set_verbosity_tholdi(ctypes.c_int(WARNINGS))


def _mark_the_log(mark: str) -> None:
    """Behind all that was said so far: who sees the mark has seen that."""
    with contextlib.suppress(AttributeError):
        library = _library()
        library._Z15common_log_mainv.restype = ctypes.c_void_p
        log, text = library._Z15common_log_mainv(), f"{mark}\n".replace("%", "%%").encode()
        library._Z14common_log_addP10common_log14ggml_log_levelPKcz(
            ctypes.c_void_p(log), ctypes.c_int(LOG_WARNING), ctypes.c_char_p(text)
        )


def _finish_the_log() -> None:
    """A thread of its own writes the log, each line in pieces: Python's traceback would come between them and
    tear the one line that says what is wrong (measured: 1 failed start in 300).
    """
    with contextlib.suppress(AttributeError):
        library = _library()
        library._Z15common_log_mainv.restype = ctypes.c_void_p
        library._Z16common_log_flushP10common_log(ctypes.c_void_p(library._Z15common_log_mainv()))


def _library() -> ctypes.CDLL:
    """The engine's own functions, under the names that its compiler gave them; a build may lack them."""
    return ctypes.CDLL(sys.modules["xllamacpp.xllamacpp"].__file__)


def _params(settings: Settings, xllamacpp):  # type: ignore[no-untyped-def]  # the engine has no types
    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.n_ctx = settings.context * settings.slots
    params.n_parallel = settings.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.n_gpu_layers = settings.gpu_layers
    params.cache_type_k = xllamacpp.ggml_type[f"GGML_TYPE_{settings.kv_type.upper()}"]
    params.cache_type_v = xllamacpp.ggml_type[f"GGML_TYPE_{settings.kv_type_v.upper()}"]
    _place(params, settings, xllamacpp)
    _stretch(params, settings, xllamacpp)
    if settings.projector:
        params.mmproj.path = settings.projector
        params.video_ffmpeg_bin_dir = os.devnull  # what is no image would be given to ffprobe as a video
    if settings.pooling:
        params.embedding = True
        pooling = f"LLAMA_POOLING_TYPE_{settings.pooling.upper()}"
        params.pooling_type = xllamacpp.llama_pooling_type[pooling]
    params.cache_ram_mib = settings.prompt_cache_mib
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in settings.adapters]
    params.lora_init_without_apply = True
    params.slot_save_path = settings.slots_folder
    params.n_ctx_checkpoints, params.checkpoint_min_step = settings.checkpoints, settings.checkpoint_step
    params.cache_idle_slots = False  # it would copy every chat's slot at every request of another
    params.fit_params = False  # the studio has planned already; planning twice costs 0.3 s
    params.api_keys = [settings.key]
    params.hostnames, params.port = ["127.0.0.1"], 0  # 0 = any free port
    params.cors_origins, params.cors_credentials = "", False  # the default reflects every origin
    params.ui = False
    params.endpoint_slots = True
    params.n_ubatch = settings.batch or params.n_ubatch
    params.n_batch = params.n_ubatch  # progress is told, and a reader's leaving noticed, once per batch
    _guess(params, settings, xllamacpp)
    params.verbosity = 4  # tells buffer sizes; 5 would write 600 KB at each start
    return params


def _place(params, settings: Settings, xllamacpp) -> None:  # type: ignore[no-untyped-def]
    """What lies where."""
    attention = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}[settings.flash_attention]
    params.flash_attn_type = xllamacpp.llama_flash_attn_type[f"LLAMA_FLASH_ATTN_TYPE_{attention}"]
    params.split_mode = xllamacpp.llama_split_mode[f"LLAMA_SPLIT_MODE_{settings.split_mode.upper()}"]
    params.main_gpu = settings.main_gpu
    if settings.tensor_split:
        shares = [*settings.tensor_split, *[0.0] * len(params.tensor_split)]
        params.tensor_split = shares[: len(params.tensor_split)]
    params.no_kv_offload = not settings.kv_offload
    params.tensor_buft_overrides = settings.overrides
    params.load_mode = xllamacpp.llama_load_mode[f"LLAMA_LOAD_MODE_{settings.load_mode}"]


def _stretch(params, settings: Settings, xllamacpp) -> None:  # type: ignore[no-untyped-def]
    """Rotary positions past what the model was trained for."""
    params.rope_freq_base = settings.rope_base
    params.rope_freq_scale = 1 / settings.rope_scale if settings.rope_scale else 0.0
    params.yarn_orig_ctx = settings.rope_original
    if settings.rope_scaling:
        scaling = f"LLAMA_ROPE_SCALING_TYPE_{settings.rope_scaling.upper()}"
        params.rope_scaling_type = xllamacpp.llama_rope_scaling_type[scaling]


NGRAMS = {"ngram": "NGRAM_SIMPLE", "ngram_map": "NGRAM_MAP_K", "ngram_mod": "NGRAM_MOD"}


def _guess(params, settings: Settings, xllamacpp) -> None:  # type: ignore[no-untyped-def]
    """What is guessed ahead, to be checked at once.

    "ngram": after 4 tokens that stood in the text before, the 16 that followed.
    """
    speculative = params.speculative
    named = [NGRAMS[settings.speculation]] if settings.speculation in NGRAMS else []
    if settings.draft:
        named.append("DRAFT_SIMPLE")
        speculative.draft.mparams.path = settings.draft
        speculative.draft.n_gpu_layers = 0 if settings.gpu_layers == 0 else -1
        for threads in (speculative.draft.cpuparams, speculative.draft.cpuparams_batch):
            threads.n_threads = settings.threads
    kinds = xllamacpp.common_speculative_type
    if named:
        speculative.types = [kinds[f"COMMON_SPECULATIVE_TYPE_{name}"] for name in named]
    speculative.ngram_simple.size_n, speculative.ngram_simple.size_m = 4, 16


def _die_with_the_studio() -> None:
    """The engine holds the interpreter while it loads, so that the end of stdin is seen only afterwards."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _leave_no_core_file() -> None:
    """A core file of an aborted engine would be as large as the model."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
