using Marrow.Engine.Devices;
using Marrow.Engine.Layers;
using Marrow.Formats.Rwkv;

namespace Marrow.Engine.Models;

/// <summary>RWKV-6 "Finch" (spec/architectures.md §5).</summary>
public sealed class Rwkv6 : Rwkv
{
    /// <summary>Builds the model; <paramref name="weight"/> supplies the tensor of each official name and shape.</summary>
    public Rwkv6(Device device, RwkvConfig config, Func<string, Shape, Tensor> weight)
        : base(device, config, weight) => Finish([.. Enumerable.Range(0, config.LayerCount).Select(i => new Block(this, config, i))]);

    private sealed class Block : RwkvBlock
    {
        // The five mixes in the order of time_maa_w2.
        private const int W = 0, K = 1, V = 2, R = 3, G = 4;

        private readonly int _heads;
        private readonly float _headEps;
        private readonly Weight _mixX, _mixDown, _mixUp, _decay, _decayDown, _decayUp, _bonus, _normWeight, _normBias, _channelMixK, _channelMixR;
        private readonly Weight[] _mixes;
        private readonly LinearLayer _receptance, _key, _value, _gate, _output, _channelKey, _channelValue, _channelReceptance;
        private readonly InitialState _initial;

        public Block(Rwkv6 model, RwkvConfig config, int index)
            : base(model, index)
        {
            int c = config.HiddenSize;
            string att = $"blocks.{index}.att", ffn = $"blocks.{index}.ffn";
            (_heads, _headEps) = (config.HeadCount, (float)config.HeadNormEps);
            _mixX = model.Vector($"{att}.time_maa_x");
            _mixes = [.. "wkvrg".Select(m => model.Vector($"{att}.time_maa_{m}"))];
            (_mixDown, _mixUp) = (model.Make($"{att}.time_maa_w1", c, 5 * config.MixRank), model.Make($"{att}.time_maa_w2", 5, config.MixRank, c));
            _decay = model.Vector($"{att}.time_decay");
            (_decayDown, _decayUp) = (model.Make($"{att}.time_decay_w1", c, config.DecayRank), model.Make($"{att}.time_decay_w2", config.DecayRank, c));
            _bonus = model.Make($"{att}.time_faaaa", _heads, config.HeadSize);
            _receptance = model.Linear($"{att}.receptance", c, c);
            _key = model.Linear($"{att}.key", c, c);
            _value = model.Linear($"{att}.value", c, c);
            _output = model.Linear($"{att}.output", c, c);
            _gate = model.Linear($"{att}.gate", c, c);
            (_normWeight, _normBias) = model.Norm($"{att}.ln_x");
            _initial = model.Initial($"{att}.time_state");
            (_channelMixK, _channelMixR) = (model.Vector($"{ffn}.time_maa_k"), model.Vector($"{ffn}.time_maa_r"));
            _channelKey = model.Linear($"{ffn}.key", config.IntermediateSize, c);
            _channelReceptance = model.Linear($"{ffn}.receptance", c, c);
            _channelValue = model.Linear($"{ffn}.value", c, config.IntermediateSize);
        }

        protected override Tensor TimeMixing(Tensor z, in Rows rows, ref Tensor? first)
        {
            Tensor starts = rows.Starts;
            Tensor? before = Shift(z, rows, channel: false);
            Tensor mixes = Ops.Tanh(Ops.Product(Ops.TokenMix(z, _mixX.Value, starts, before), _mixDown.Value));
            Tensor Mixed(int which) => Ops.TokenMix(z, _mixes[which].Value, starts, before, Ops.Product(mixes, _mixUp.Value, which));

            Tensor logDecay = Ops.LogDecay6(Ops.Product(Ops.Tanh(Ops.Product(Mixed(W), _decayDown.Value)), _decayUp.Value), _decay.Value);
            Tensor k = _key.Forward(Mixed(K)), v = _value.Forward(Mixed(V)), r = _receptance.Forward(Mixed(R)), gate = _gate.Forward(Mixed(G));
            Tensor y;
            if (rows.State is RecurrentState state)
            {
                y = Ops.Wkv6(r, logDecay, k, v, _bonus.Value, starts, _heads, StateBefore(rows, _initial), out Tensor final);
                state.NextWkv(Index).CopyFrom(final);
            }
            else
            {
                y = Ops.Wkv6(r, logDecay, k, v, _bonus.Value, starts, _heads, _initial.Value);
            }
            return _output.Forward(Ops.SwiGlu(gate, Ops.LayerNorm(y, _normWeight.Value, _normBias.Value, _headEps, _heads)));
        }

        protected override Tensor ChannelMixing(Tensor z, in Rows rows)
        {
            Tensor? before = Shift(z, rows, channel: true);
            Tensor k = _channelKey.Forward(Ops.TokenMix(z, _channelMixK.Value, rows.Starts, before));
            Tensor r = _channelReceptance.Forward(Ops.TokenMix(z, _channelMixR.Value, rows.Starts, before));
            return Ops.Multiply(Ops.Sigmoid(r), _channelValue.Forward(Ops.SquaredRelu(k)));
        }
    }
}
