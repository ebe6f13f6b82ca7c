"""Models in safetensors, run by transformers in a child process of its own. The folder is not named after its
library, so that nothing shadows it."""
