"""The pages, one module a group; each handler takes the request and gives the answer."""
