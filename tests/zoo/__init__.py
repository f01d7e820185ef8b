"""The zoo run: real models of other libraries, traced and checked one by one.

``python -m tests.zoo`` runs it, ``python -m tests.zoo table`` writes its table into the docs.
"""
