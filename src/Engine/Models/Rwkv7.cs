using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Models;

/// <summary>RWKV-7 "Goose" (spec/architectures.md §4).</summary>
public sealed class Rwkv7 : Rwkv
{
    /// <summary>Builds the model; <paramref name="weight"/> supplies the tensor of each official name and shape.</summary>
    public Rwkv7(Device device, RwkvConfig config, Func<string, Shape, Tensor> weight)
        : base(device, config, weight) => Finish([.. Enumerable.Range(0, config.LayerCount).Select(i => new Block(this, config, i))]);

    private sealed class Block : RwkvBlock
    {
        private readonly int _heads;
        private readonly float _headEps;
        private readonly Weight _mixR, _mixW, _mixK, _mixV, _mixA, _mixG, _mixChannel;
        private readonly Weight _w0, _w1, _w2, _a0, _a1, _a2, _g1, _g2, _removal, _replacement, _bonus, _normWeight, _normBias;
        private readonly Weight? _v0, _v1, _v2;
        private readonly LinearLayer _receptance, _key, _value, _output, _channelKey, _channelValue;
        private readonly InitialState _initial;

        public Block(Rwkv7 model, RwkvConfig config, int index)
            : base(model, index)
        {
            int c = config.HiddenSize;
            string att = $"blocks.{index}.att", ffn = $"blocks.{index}.ffn";
            (_heads, _headEps) = (config.HeadCount, (float)config.HeadNormEps);
            (_mixR, _mixW, _mixK) = (model.Vector($"{att}.x_r"), model.Vector($"{att}.x_w"), model.Vector($"{att}.x_k"));
            (_mixV, _mixA, _mixG) = (model.Vector($"{att}.x_v"), model.Vector($"{att}.x_a"), model.Vector($"{att}.x_g"));
            (_w0, _w1, _w2) = (model.Vector($"{att}.w0"), model.Make($"{att}.w1", c, config.DecayRank), model.Make($"{att}.w2", config.DecayRank, c));
            (_a0, _a1, _a2) = (model.Vector($"{att}.a0"), model.Make($"{att}.a1", c, config.RateRank), model.Make($"{att}.a2", config.RateRank, c));
            if (index > 0)
                (_v0, _v1, _v2) = (model.Vector($"{att}.v0"), model.Make($"{att}.v1", c, config.ValueRank), model.Make($"{att}.v2", config.ValueRank, c));
            (_g1, _g2) = (model.Make($"{att}.g1", c, config.GateRank), model.Make($"{att}.g2", config.GateRank, c));
            (_removal, _replacement) = (model.Vector($"{att}.k_k"), model.Vector($"{att}.k_a"));
            _bonus = model.Make($"{att}.r_k", _heads, config.HeadSize);
            _receptance = model.Linear($"{att}.receptance", c, c);
            _key = model.Linear($"{att}.key", c, c);
            _value = model.Linear($"{att}.value", c, c);
            _output = model.Linear($"{att}.output", c, c);
            (_normWeight, _normBias) = model.Norm($"{att}.ln_x");
            _initial = model.Initial($"{att}.time_state");
            _mixChannel = model.Vector($"{ffn}.x_k");
            _channelKey = model.Linear($"{ffn}.key", config.IntermediateSize, c);
            _channelValue = model.Linear($"{ffn}.value", c, config.IntermediateSize);
        }

        protected override bool HandsOn => true;

        protected override Tensor TimeMixing(Tensor z, in Rows rows, ref Tensor? first)
        {
            Tensor starts = rows.Starts;
            Tensor? before = Shift(z, rows, channel: false);
            Tensor r = _receptance.Forward(Ops.TokenMix(z, _mixR.Value, starts, before));
            Tensor logDecay = Ops.LogDecay7(LowRank(Ops.TokenMix(z, _mixW.Value, starts, before), _w1, _w2, tanh: true), _w0.Value);
            Tensor k = _key.Forward(Ops.TokenMix(z, _mixK.Value, starts, before));
            Tensor v = Value(Ops.TokenMix(z, _mixV.Value, starts, before), ref first);
            Tensor rate = Ops.Sigmoid(LowRank(Ops.TokenMix(z, _mixA.Value, starts, before), _a1, _a2, tanh: false), _a0.Value);
            Tensor gate = Ops.Product(Ops.Sigmoid(Ops.Product(Ops.TokenMix(z, _mixG.Value, starts, before), _g1.Value)), _g2.Value);

            // The state forgets along −κ̂, at the in-context rate, and takes the key k.
            Tensor a = Ops.RemovalKey(k, _removal.Value, _heads);
            Tensor b = Ops.Multiply(a, rate, -1f);
            k = Ops.ReplacementKey(k, rate, _replacement.Value);
            Tensor y;
            if (rows.State is RecurrentState state)
            {
                y = Ops.Wkv7(r, logDecay, k, v, a, b, starts, _heads, StateBefore(rows, _initial), out Tensor final);
                state.NextWkv(Index).CopyFrom(final);
            }
            else
            {
                y = Ops.Wkv7(r, logDecay, k, v, a, b, starts, _heads, _initial.Value);
            }
            y = Ops.HeadBonus(Ops.LayerNorm(y, _normWeight.Value, _normBias.Value, _headEps, _heads), r, k, _bonus.Value, v, _heads);
            return _output.Forward(Ops.Multiply(y, gate));
        }

        // Later blocks mix their values with those of block 0.
        private Tensor Value(Tensor x, ref Tensor? first)
        {
            Tensor v = _value.Forward(x);
            if (_v0 is null)
                return first = v;
            return Ops.ValueMix(v, first!, LowRank(x, _v1!, _v2!, tanh: false), _v0.Value);
        }

        protected override Tensor ChannelMixing(Tensor z, in Rows rows) =>
            _channelValue.Forward(Ops.SquaredRelu(_channelKey.Forward(Ops.TokenMix(z, _mixChannel.Value, rows.Starts, Shift(z, rows, channel: true)))));

        private static Tensor LowRank(Tensor x, Weight down, Weight up, bool tanh)
        {
            Tensor h = Ops.Product(x, down.Value);
            return Ops.Product(tanh ? Ops.Tanh(h) : h, up.Value);
        }
    }
}
