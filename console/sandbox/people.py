"""The simulated people: who they are, where they connect from, how they log in. The same on every run."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from console.sandbox.config import derived_secret

POPULATION = 1280
# The last ones place no ordinary orders: drills and tests use them, so that what they do stands out.
RESERVED = 16
SYNTHETIC_EMAIL = "synthetic.check@trade-x.example"
# The platform's own people, by e-mail and name: accounts of tier staff.
STAFF = (("noor.admin@trade-x.example", "Noor Admin"), ("lars.compliance@trade-x.example", "Lars Compliance"))

_NAMESPACE = uuid.UUID("5f0f6f3e-6a9b-4d0c-9a51-7d6b6a7c2e11")
_FIRST = (
    "Ada Amir Ana Ben Chiara Dara Deniz Elif Emeka Eva Farid Fatou Grace Hana Hugo Ines Ivan Jana Jonas Kaito "
    "Kemi Lars Leila Lena Liam Lucía Mai Mateo Mei Mina Nadia Nikhil Noor Olga Omar Paula Pia Priya Rafael Rosa "
    "Sami Sara Sofía Tariq Theo Uma Viktor Wei Yara Yusuf Zoë Zofia"
).split()
_LAST = (
    "Abara Ahmed Alvarez Andersen Bauer Bianchi Castillo Chen Cohen Costa Dubois Eriksen Fischer Fofana García Haddad "
    "Hansen Hoffmann Ito Ivanova Jansen Kaya Khan Kim Kowalska Kumar Lindqvist López Mensah Meyer Müller Nakamura "
    "Nguyen Novák Okafor Oliveira Park Patel Pereira Rossi Sato Schmidt Silva Singh Tanaka Vargas Virtanen Weber "
    "Wójcik Yilmaz Zhang"
).split()


@dataclass(frozen=True, slots=True)
class Person:
    """`index` counts from 0; `address` is in a documentation range (RFC 5737, RFC 3849)."""

    index: int
    id: str
    email: str
    name: str
    address: str


def person(index: int) -> Person:
    first, last = _FIRST[index % len(_FIRST)], _LAST[(index * 7 + index // len(_FIRST)) % len(_LAST)]
    return Person(
        index, str(uuid.uuid5(_NAMESPACE, f"person {index}")), f"trader{index:04d}@mail.example",
        f"{first} {last}", _address(index),
    )  # fmt: skip


def _address(index: int) -> str:
    if index % 4 == 3:
        return f"2001:db8:{index >> 4:x}:{index & 15:x}::{index * 37 % 65536:x}"
    # 254 + 190 addresses for three quarters of the people: some share one, as behind a NAT. The upper part
    # of 203.0.113.0/24 is left to attackers.
    slot = (index - index // 4) % 444
    return f"198.51.100.{slot + 1}" if slot < 254 else f"203.0.113.{slot - 253}"


def everybody() -> list[Person]:
    """All people in order of their index."""
    return [person(i) for i in range(POPULATION)]


def reserved(number: int) -> Person:
    """One of the people who place no ordinary orders."""
    return person(POPULATION - 1 - number % RESERVED)


def password(app_password: str, email: str) -> str:
    """This person's log-in password."""
    return derived_secret(app_password, f"person {email}")[:24]


def digest(salt: str, plain: str) -> str:
    """What auth.users holds of a password."""
    return hashlib.sha256(f"{salt}:{plain}".encode()).hexdigest()
