"""What is said: sound files and texts made into encoded frames, once, and kept.

    prompts    sound files of any kind to clips
    speaking   texts to clips, by a text-to-speech command
    command    one run of such a command; places: what is put into it
    sound      sound files of any kind to samples, 8,000 a second
    law        samples to G.711
    cache      where clips are kept
    flights    one making for all who want the same clip at once
    unfit      why a prompt cannot be had

Everything that takes time is done in worker threads, so that the event loop stays free. Knows nothing of SIP and RTP.
"""
