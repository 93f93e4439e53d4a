"""Connection modes in real environments: in each, a program of ours runs and tells what it reaches.

``probe`` is that program. It starts nginx and redis through tcunit, asks the resolver for all three
modes, really connects, and prints what it saw. The modules beside it set the environments up; what
the tests saw in them is the table in ``docs/connection-modes.md``.

Traffic goes to loopback and to containers that exist, and nowhere else: an address that the
resolver does not vouch for is tried only where the engine is on this machine's own socket.
"""
