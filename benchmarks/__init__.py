"""What proves decamo's claims of speed, cost and quality: ``python -m benchmarks NAME``.

Runs in a checkout and is not part of the wheel; nothing in ``decamo`` imports it. What it finds is
shipped as data (``decamo/diagnosis/claims.json``) and as the pages in ``docs/``.
"""

__all__: list[str] = []
