-- The VST3 on one track, with a probe behind it, played from several places at two tempos.
dofile(os.getenv("SCRIPTS") .. "/prelude.lua")

start_backend(512)
create_session(FOLDER, "set", RATE)
local uid
for plugin in ARDOUR.LuaAPI.list_plugins():iter() do
  if plugin.type == ARDOUR.PluginType.VST3 and plugin.name == "Riffengine" then uid = plugin.unique_id end
end
if not uid then say("no VST3") quit() end
for track in Session:new_audio_track(2, 2, nil, 1, "Master", -1, ARDOUR.TrackMode.Normal, true):iter() do
  track:add_processor_by_index(ARDOUR.LuaAPI.new_plugin(Session, uid, ARDOUR.PluginType.VST3, ""), -1, nil, true)
  insert(track, "urn:riffengine:probe")
end
sleep(1.5)
for _, bpm in ipairs({90, 174}) do
  tempo(bpm)
  locate(0, bpm) roll(1) stop()
  locate(32, bpm) roll(1)
  locate(48, bpm, true) sleep(1)
  stop()
end
say("played")
close_session()
quit()
