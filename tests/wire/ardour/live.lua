-- A session with the plugins of the test, played from several places at several tempos.
dofile(os.getenv("SCRIPTS") .. "/prelude.lua")

start_backend(512)
create_session(FOLDER, "set", RATE)
local first = audio_track("Master", 0)
local instrument = ARDOUR.LuaAPI.new_plugin_info("urn:riffengine:plugin#instrument", ARDOUR.PluginType.LV2)
for track in Session:new_midi_track(ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1), ARDOUR.ChanCount(ARDOUR.DataType("audio"), 2),
    false, instrument, nil, nil, 1, "Notes", -1, ARDOUR.TrackMode.Normal, true):iter() do
  insert(track, "urn:riffengine:probe", 6)
end
for stem = 1, 4 do audio_track("Stem " .. stem, 4 + stem) end
sleep(1.5)

for _, bpm in ipairs({90, 120, 174}) do
  tempo(bpm)
  locate(0, bpm) roll(1) stop()
  locate(32, bpm) roll(1)
  locate(48, bpm, true) sleep(1.2)
  stop()
  roll(0.5)
  stop()
end
-- a step of the tempo while it rolls
tempo(120)
locate(64, 120) roll(0.7)
tempo(100)
sleep(0.7)
stop()
ARDOUR.LuaAPI.set_processor_param(first, 3, 0.25)
sleep(0.5)
tempo(120)
locate(80, 120) roll(1)
ask("kill") -- the test kills the engine and starts another one
sleep(2)
stop()
save()
close_session()
quit()
