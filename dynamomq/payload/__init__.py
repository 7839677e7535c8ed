"""Payloads: from a program's objects to what DynamoDB stores, and back, exactly or not at all."""

from __future__ import annotations

from dynamomq.payload.codec import Codec, codec_for

__all__ = ["Codec", "codec_for"]
