-- Five tracks, master and the four stems of deck a, that roll from bar one for some seconds.
dofile(os.getenv("SCRIPTS") .. "/prelude.lua")

start_backend(256)
create_session(FOLDER, "set", RATE)
audio_track("Master", 0)
for stem = 1, 4 do audio_track("Stem " .. stem, 4 + stem) end
sleep(3)
tempo(120)
locate(0, 120)
ask("load")
roll(tonumber(os.getenv("ROLL_SECONDS")))
stop()
say("rolled")
close_session()
quit()
