"""DynamoMQ: a message queue on Amazon DynamoDB."""
