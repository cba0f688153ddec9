"""The portal's processes: how they are started, watched, found again and ended; `seatrial up`, `down`, `status`.

programs      which processes there are, and how each is started
launch        what each process does before it becomes itself: `python -m webapp.platform.launch NAME`
supervision   supervisord's configuration, and asking it
remains       what runs for a data folder, as the kernel knows it, whoever started it
needs         what the portal needs of this machine
jupyterhub_config, hub, hub_proxy, hub_process   the Hub
wsgi, serving                       the portal's own server
standing      how all of it does: `seatrial status`
operations    up and down; above them only the command line
"""
