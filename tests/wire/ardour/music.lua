-- The real engine on five tracks: master and the four stems of deck a, played from several places at several tempos.
dofile(os.getenv("SCRIPTS") .. "/prelude.lua")

start_backend(1024)
create_session(FOLDER, "set", RATE)
audio_track("Master", 0)
for stem = 1, 4 do audio_track("Stem " .. stem, 4 + stem) end
sleep(3)
for _, bpm in ipairs({120, 90, 174}) do
  tempo(bpm)
  locate(0, bpm) roll(1) stop()
  ask("settle-" .. bpm) -- loops are synthesised again at another tempo
  locate(0, bpm) roll(6) stop() -- from bar one, and on after a stop
  roll(1) stop()
  locate(32, bpm) roll(3) -- from bar nine, and a locate while it rolls
  locate(48, bpm, true) sleep(3)
  stop()
  say("played at", bpm)
end
tempo(120, 150, 16)
locate(0, 120) roll(8) stop()
tempo(120)
locate(0, 120)
ask("settle-again")
save()
roll(2)
ask("kill") -- the engine is killed while Ardour rolls, and comes back
stop()
close_session()
quit()
