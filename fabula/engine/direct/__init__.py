"""A model driven through the engine library's C functions, in a child process of its own.

What llama.cpp's server cannot do: exact log-probabilities, captured tensors, control vectors and adapters
that change while it runs, and every sampler.
"""
