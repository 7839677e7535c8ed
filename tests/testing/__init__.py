"""What users test their own code with is tested itself."""
