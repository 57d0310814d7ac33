"""Claims of cost and quality, measured: one verb of ``decamo bench`` a file.

Each has ``add_arguments(parser)`` and ``run(args)``; nothing is re-exported: each loads what it
measures.
"""

__all__: list[str] = []
