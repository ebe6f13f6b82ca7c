"""LoRA adapters: what is there, what fits which model, PEFT made into GGUF. Knows no engine and no chat."""
