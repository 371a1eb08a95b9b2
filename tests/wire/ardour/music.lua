-- The real engine on five tracks: master and the four stems of deck a, played from several places at several tempos.
local TRS = ARDOUR.TransportRequestSource.TRS_UI
local folder, rate = os.getenv("SESSION_FOLDER"), 48000
local settle = tonumber(os.getenv("SETTLE_SECONDS") or "8") -- loops are synthesised again at another tempo

local function say(...) print(...) io.flush() end

local backend = AudioEngine:set_backend("None (Dummy)", "", "")
backend:set_device_name("Normal Speed")
backend:set_sample_rate(rate)
backend:set_buffer_size(1024)
create_session(folder, "set", rate)

local function insert(track, uri)
  local plugin = ARDOUR.LuaAPI.new_plugin(Session, uri, ARDOUR.PluginType.LV2, "")
  if plugin:isnil() then say("no plugin", uri) quit() end
  track:add_processor_by_index(plugin, -1, nil, true)
  return plugin
end

local function tempo(bpm, to)
  local map = Temporal.TempoMap.write_copy()
  map:set_tempo(Temporal.Tempo(bpm, to or bpm, 4), Temporal.timepos_t(0))
  if to then map:set_tempo(Temporal.Tempo(to, to, 4), Temporal.timepos_t.from_ticks(Temporal.ticks_per_beat * 16)) end
  Temporal.TempoMap.update(map)
end

local function locate(beat, bpm, roll)
  local how = roll and ARDOUR.LocateTransportDisposition.MustRoll or ARDOUR.LocateTransportDisposition.MustStop
  Session:request_locate(math.floor(beat * 60 / bpm * rate + 0.5), false, how, TRS)
  if not roll then sleep(1.0) end
end

local function roll(seconds) Session:request_roll(TRS) sleep(seconds) end
local function stop() Session:request_stop(false, false, TRS) sleep(0.5) end

for source = 0, 4 do
  for track in Session:new_audio_track(2, 2, nil, 1, "Track " .. source, -1, ARDOUR.TrackMode.Normal, true):iter() do
    local plugin = insert(track, "urn:riffengine:plugin")
    if source > 0 then ARDOUR.LuaAPI.set_processor_param(plugin, 17, 4 + source) end
    insert(track, "urn:riffengine:probe")
  end
end
sleep(3)
for _, bpm in ipairs({120, 90, 174}) do
  tempo(bpm)
  locate(0, bpm) roll(1) stop()
  sleep(settle)
  locate(0, bpm) roll(5) stop() -- from bar one, and on after a stop
  roll(1) stop()
  locate(32, bpm) roll(3) -- from bar nine, and a locate while it rolls
  locate(48, bpm, true) sleep(3)
  stop()
  say("played at", bpm)
end
tempo(120, 150)
locate(0, 120) roll(6) stop()
tempo(120)
locate(0, 120)
sleep(settle)
Session:save_state("", false, false, false, false, false)
say("saved")
close_session()
quit()
