"""What ``import decamo`` offers: a call for each verb, with results that show themselves.

The commands are its first client. Each name is imported when it is first asked for, so that
``import decamo`` loads nothing of others.
"""

__all__: list[str] = []
