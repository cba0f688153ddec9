"""Make a kind node image, and the labs' images, where no container registry can be reached.

Everything comes from Debian packages and from the Go modules that are pinned in cluster-setup/tools. Each step's result
lies in the user's cache under the digest of what went into it, so a build that was killed goes on where it was.
"""
