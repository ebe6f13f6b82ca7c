"""Words in double braces that stand for other text. Knows no prompt layout and no chat store.

The language is SillyTavern's, version 1.19 (macros are what character cards are written in): names without
regard to case, arguments, nesting, blocks, conditions, variables. Clock and randomness come with the scene.
"""
