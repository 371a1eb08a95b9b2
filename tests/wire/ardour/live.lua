-- A session with the plugins of the test, played from several places at several tempos. Arguments come by environment.
local TRS = ARDOUR.TransportRequestSource.TRS_UI
local folder, rate = os.getenv("SESSION_FOLDER"), 48000

local function say(...) print(...) io.flush() end

local backend = AudioEngine:set_backend("None (Dummy)", "", "")
backend:set_device_name("Normal Speed")
backend:set_sample_rate(rate)
backend:set_buffer_size(512)
create_session(folder, "set", rate)

local function insert(track, uri, index)
  local plugin = ARDOUR.LuaAPI.new_plugin(Session, uri, ARDOUR.PluginType.LV2, "")
  if plugin:isnil() then say("no plugin", uri) quit() end
  track:add_processor_by_index(plugin, index, nil, true)
  return plugin
end

local function audio_track(name)
  return Session:new_audio_track(2, 2, nil, 1, name, -1, ARDOUR.TrackMode.Normal, true)
end

local function tempo(bpm, to)
  local map = Temporal.TempoMap.write_copy()
  map:set_tempo(Temporal.Tempo(bpm, to or bpm, 4), Temporal.timepos_t(0))
  Temporal.TempoMap.update(map)
end

local function locate(beat, bpm, roll)
  local how = roll and ARDOUR.LocateTransportDisposition.MustRoll or ARDOUR.LocateTransportDisposition.MustStop
  Session:request_locate(math.floor(beat * 60 / bpm * rate + 0.5), false, how, TRS)
  if not roll then sleep(0.5) end
end

local function roll(seconds) Session:request_roll(TRS) sleep(seconds) end
local function stop() Session:request_stop(false, false, TRS) sleep(0.4) end

local first
for track in audio_track("Master"):iter() do
  first = insert(track, "urn:riffengine:plugin", -1)
  insert(track, "urn:riffengine:probe", -1)
end
local instrument = ARDOUR.LuaAPI.new_plugin_info("urn:riffengine:plugin#instrument", ARDOUR.PluginType.LV2)
for track in Session:new_midi_track(ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1), ARDOUR.ChanCount(ARDOUR.DataType("audio"), 2),
    false, instrument, nil, nil, 1, "Notes", -1, ARDOUR.TrackMode.Normal, true):iter() do
  insert(track, "urn:riffengine:probe", 6)
end
for stem = 1, 4 do
  for track in audio_track("Stem " .. stem):iter() do
    ARDOUR.LuaAPI.set_processor_param(insert(track, "urn:riffengine:plugin", -1), 17, 4 + stem)
    insert(track, "urn:riffengine:probe", -1)
  end
end
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
say("kill") -- the test kills the engine and starts another one
sleep(5)
stop()
Session:save_state("", false, false, false, false, false)
say("saved")
close_session()
quit()
