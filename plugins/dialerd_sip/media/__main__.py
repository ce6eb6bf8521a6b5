"""Starts the media process; see `dialerd_sip.media.process`."""

from dialerd_sip.media.process import main

if __name__ == "__main__":
    main()
