// What the page uses of three.js; tools/page/vendor makes riffengine/web/static/vendor/three.js of it.
export {
  AdditiveBlending, BoxGeometry, Color, DataTexture, DoubleSide, InstancedMesh, LinearFilter, Matrix4, Mesh,
  MeshBasicMaterial, PerspectiveCamera, PlaneGeometry, RepeatWrapping, RGBAFormat, Scene, ShaderMaterial,
  UnsignedByteType, Vector3, WebGLRenderer,
} from "three";
