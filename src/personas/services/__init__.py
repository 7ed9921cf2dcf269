"""The auth services that personas can be kept on."""
