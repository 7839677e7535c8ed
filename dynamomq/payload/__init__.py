"""Payloads: from a program's objects to what DynamoDB stores, and back, exactly or not at all."""

from __future__ import annotations

from dynamomq.payload.codec import Codec, codec_for
from dynamomq.payload.fingerprint import fingerprint

__all__ = ["Codec", "codec_for", "fingerprint"]
