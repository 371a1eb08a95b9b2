"""How a mixing engineer treats each genre: spectrum, width, rooms, echo, sidechain, bus compression."""

from __future__ import annotations

from dataclasses import dataclass

# Energy of the bands between 20, 60, 120, 250, 500, 1000, 2000, 4000, 8000, 12000, 16000 and 20000 Hz, dB of the whole.
# "club" is the mean of real electronic music, "band" of recordings of all kinds; the others lean on them. Both ends are
# corrected by the 1 to 3 dB that compression takes from kicks and thereby gives to hats.
SPECTRA: dict[str, tuple[float, ...]] = {
    "club": (-4.6, -4.6, -8.0, -12.3, -14.2, -16.8, -20.0, -23.0, -29.0, -35.5, -45.0),
    "deep": (-4.4, -4.3, -7.8, -12.5, -15.0, -18.0, -21.5, -24.5, -30.0, -36.5, -45.5),
    "band": (-10.8, -5.2, -5.7, -9.2, -12.0, -15.6, -19.0, -22.4, -28.5, -35.0, -44.0),
    "heavy": (-9.6, -5.4, -6.4, -9.2, -11.2, -13.6, -16.6, -20.5, -27.5, -35.0, -44.0),
    "soft": (-13.5, -6.5, -4.8, -7.0, -10.4, -15.0, -19.5, -24.0, -30.0, -36.5, -46.0),
    "air": (-10.0, -5.8, -5.4, -7.6, -10.6, -15.0, -19.5, -24.0, -29.5, -35.5, -45.0),
}


@dataclass(frozen=True)
class Mix:
    """One genre's mix.

    ``side_db`` is the side against the mid. ``drum_room`` and ``hall`` are (room, seconds, send in dB). ``echo`` is
    (beats, feedback, send in dB) of the lead. ``pump`` is the usual depth of the sidechain, ``pump_beats`` its length.
    ``bus`` is (ratio, dB above the RMS where it begins) of the mix bus; ``warmth`` drives the stems.
    ``hybrid`` is how often an acoustic kit has a machine's kick and snare; ``hard`` kicks are driven.
    ``drums_db`` and ``bass_db`` shift the balance.
    """

    electronic: bool
    spectrum: str
    side_db: float
    drum_room: tuple[str, float, float] = ("room", 0.5, -15.0)
    hall: tuple[str, float, float] = ("plate", 1.4, -13.0)
    echo: tuple[float, float, float] = (0.75, 0.35, -60.0)
    pump: float = 0.0
    pump_beats: float = 0.6
    bus: tuple[float, float] = (2.0, 5.0)
    warmth: float = 0.15
    hybrid: float = 0.0
    hard: bool = False
    drums_db: float = 0.0
    bass_db: float = 0.0


MIXES: dict[str, Mix] = {
    "ambient": Mix(True, "air", -8.5, ("hall", 2.0, -9.0), ("hall", 4.5, -5.0), (0.75, 0.5, -12.0), bus=(1.5, 8.0)),
    "house": Mix(True, "club", -10.5, ("room", 0.4, -11.0), ("plate", 1.5, -13.0), (0.75, 0.35, -16.0), pump=0.45),
    "techno": Mix(True, "club", -11.0, ("room", 0.6, -10.0), ("hall", 1.8, -12.0), (0.75, 0.5, -13.0), pump=0.4,
                  warmth=0.4, hard=True, drums_db=1.0),
    "trance": Mix(True, "club", -8.8, ("room", 0.5, -10.5), ("hall", 2.2, -9.5), (0.75, 0.42, -12.0), pump=0.6),
    "drum and bass": Mix(True, "club", -10.0, ("room", 0.4, -10.0), ("hall", 2.4, -10.0), (0.5, 0.4, -14.0),
                         hybrid=0.6, warmth=0.3, bus=(2.5, 4.0), drums_db=0.5, bass_db=1.0),
    "dubstep": Mix(True, "club", -9.5, ("room", 0.7, -9.0), ("hall", 2.2, -11.0), (0.75, 0.4, -14.0), warmth=0.5,
                   hard=True, bus=(2.5, 4.0), bass_db=1.5),
    "hip hop": Mix(False, "deep", -12.0, ("room", 0.4, -12.0), ("plate", 1.1, -15.0), hybrid=0.45, warmth=0.4,
                   bus=(2.5, 4.0), drums_db=1.0, bass_db=0.5),
    "trap": Mix(True, "deep", -10.0, ("room", 0.5, -10.5), ("hall", 2.2, -11.0), (0.75, 0.35, -15.0), warmth=0.3,
                bass_db=1.5),
    "jazz": Mix(False, "soft", -10.5, ("room", 0.9, -11.0), ("room", 1.1, -11.0), bus=(1.5, 7.0), warmth=0.08),
    "blues": Mix(False, "band", -11.5, ("room", 0.7, -12.0), ("room", 0.9, -12.0), warmth=0.2),
    "funk": Mix(False, "band", -11.0, ("room", 0.35, -16.0), ("plate", 0.9, -16.0), warmth=0.2, bus=(2.2, 4.5)),
    "soul": Mix(False, "band", -10.5, ("room", 0.6, -13.0), ("plate", 1.6, -11.0), warmth=0.2),
    "disco": Mix(False, "band", -9.8, ("room", 0.4, -15.0), ("plate", 1.5, -12.0), warmth=0.15, bus=(2.2, 4.5)),
    "rock": Mix(False, "heavy", -9.8, ("room", 0.9, -10.5), ("plate", 1.2, -15.0), warmth=0.25, bus=(2.5, 4.0),
                drums_db=1.0),
    "metal": Mix(False, "heavy", -9.0, ("room", 0.7, -12.0), ("plate", 1.2, -16.0), warmth=0.2, bus=(2.5, 4.0),
                 drums_db=1.5),
    "pop": Mix(False, "band", -10.0, ("room", 0.6, -13.0), ("plate", 1.8, -11.0), (0.5, 0.3, -17.0), hybrid=0.4,
               bus=(2.2, 4.5)),
    "reggae": Mix(False, "deep", -11.0, ("plate", 1.1, -13.0), ("plate", 1.4, -14.0), (0.75, 0.4, -16.0), bass_db=1.0),
    "dub": Mix(False, "deep", -9.8, ("plate", 2.2, -8.0), ("hall", 2.6, -9.0), (0.75, 0.6, -8.0), bass_db=1.5,
               warmth=0.3),
    "bossa nova": Mix(False, "soft", -10.5, ("room", 0.7, -13.0), ("room", 1.2, -11.0), bus=(1.5, 7.0), warmth=0.05),
    "salsa": Mix(False, "band", -10.0, ("room", 0.8, -12.0), ("room", 1.2, -12.0)),
    "classical": Mix(False, "soft", -8.8, ("hall", 2.2, -8.0), ("hall", 2.2, -6.5), bus=(1.3, 9.0), warmth=0.0),
    "folk": Mix(False, "soft", -10.0, ("room", 0.8, -13.0), ("room", 1.0, -12.0), bus=(1.5, 7.0), warmth=0.05),
    "country": Mix(False, "band", -10.5, ("room", 0.6, -14.0), ("plate", 1.2, -14.0), warmth=0.1),
    "synthwave": Mix(True, "club", -9.0, ("plate", 1.6, -8.5), ("hall", 2.4, -9.5), (0.75, 0.4, -13.0), pump=0.35),
    "afrobeat": Mix(False, "band", -10.0, ("room", 0.7, -13.0), ("room", 1.0, -13.0), warmth=0.2),
}  # fmt: skip
