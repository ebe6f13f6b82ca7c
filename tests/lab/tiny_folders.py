"""Small random models in folders, as transformers saves them, with a tokenizer made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEXT = [
    "the quick brown fox jumps over the lazy dog",
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
    "The old lighthouse keeper climbed the stairs every evening to light the lamp.",
]
TEMPLATE = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"

SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}


def tokenizer(folder: Path) -> int:
    """A byte-level tokenizer in the folder; its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TEXT, trainer)
    made.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return made.get_vocab_size()


def folder(place: Path, kind: str = "llama", **changes: Any) -> Path:
    """A model of an architecture, of random weights."""
    import torch
    import transformers

    place.mkdir(parents=True, exist_ok=True)
    size = tokenizer(place)
    torch.manual_seed(7)
    shape = SHAPE | {"vocab_size": size, "eos_token_id": 0, "bos_token_id": None} | changes
    config = transformers.AutoConfig.for_model(kind, **shape)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0)  # else all tokens are about as likely
    model.save_pretrained(place, safe_serialization=True)
    return place
