"""The endpoints of api-contract 2, one module for each thing they speak of."""
