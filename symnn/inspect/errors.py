"""What can be wrong with a request to see a derivation."""

from symnn.errors import SymnnError


class InspectError(SymnnError):
    """A derivation cannot be shown as asked; the message names what was found and what was expected."""
