"""What the tests stand on: a real DynamoDB endpoint, a proxy that loses replies, fixtures."""
