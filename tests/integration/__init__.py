"""Tests of the library against a real DynamoDB endpoint, alone or side by side with ours."""
